import { answering } from "../lib/background.mjs";
import { raceOn } from "./race.mjs";

answering(raceOn);
