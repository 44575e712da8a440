// Run by Node when the figure's files are made: the race as it stands when a reader comes to it.

import { freshRace, raceOn, standings } from "./race.mjs";

const [seed, steps] = process.argv.slice(2).map(Number);
const { saved } = raceOn({ saved: freshRace(seed), data: "ring", points: [], steps });
const plain = (key, value) => (ArrayBuffer.isView(value) ? [...value] : value);
const { real, models } = standings(saved, "ring", []);
const made = Object.fromEntries(Object.entries(models).map(([name, model]) => [name, model.made]));
process.stdout.write(JSON.stringify({ ...saved, real, made }, plain));
