// Seeded randomness: the same seed gives the same draws in every browser.

/** Uniform draws in [0, 1) from a 32-bit seed (mulberry32). */
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal draws (Box and Muller) made of uniform ones: each uses two and keeps one value. */
export const gaussian = (u) => () => Math.sqrt(-2 * Math.log(1 - u())) * Math.cos(2 * Math.PI * u());

/** Standard normal draws from a 32-bit seed. */
export const normal = (seed) => gaussian(uniform(seed));
