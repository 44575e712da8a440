import { answering } from "../lib/background.mjs";
import { playOn } from "./game.mjs";

answering(playOn);
