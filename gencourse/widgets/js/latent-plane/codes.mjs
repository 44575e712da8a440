// What the weights file says of the test set: where its codes lie, and one digit of each class.

import { SIDE, unpack } from "../lib/ink.mjs";

const NEIGHBOURS = 10;
const NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

export function testCodes({ tensors }) {
  const pair = (array, i) => [array[2 * i], array[2 * i + 1]];
  const points = Array.from(tensors.labels, (digit, i) => ({ digit, z: pair(tensors.codes, i) }));
  const bytes = (SIDE * SIDE) / 8;

  return {
    names: NAMES,
    /** The digits as a choice offers them. */
    options: NAMES.map((_, digit) => [digit, digit]),
    points,
    classes: NAMES.map((_, digit) => ({
      digit, mean: pair(tensors.means, digit), std: pair(tensors.stds, digit),
    })),
    /** The first test digit of a class, 784 pixels in {0, 1}. */
    example: (digit) => unpack(tensors.examples.subarray(digit * bytes, digit * bytes + bytes)),
    /** How many of the ten nearest codes each class has, [[digit, count], …], most first. */
    nearest(z) {
      const counts = new Map();
      points
        .map(({ digit, z: [a, b] }) => [(a - z[0]) ** 2 + (b - z[1]) ** 2, digit])
        .sort(([a], [b]) => a - b)
        .slice(0, NEIGHBOURS)
        .forEach(([, digit]) => counts.set(digit, (counts.get(digit) ?? 0) + 1));
      return [...counts].sort(([a, n], [b, m]) => m - n || a - b);
    },
    /** "6 threes, 3 fives, 1 eight" */
    list: (near) =>
      near.map(([digit, n]) => `${n} ${NAMES[digit]}${n === 1 ? "" : digit === 6 ? "es" : "s"}`).join(", "),
  };
}
