// The score of a game: which settings were played for how many steps, so that a link can play it
// again. As text, "n1:200,np4:30" is 200 steps of the non-saturating loss with one turn of the
// generator each, then 30 with the penalty and four turns.

import { LOSSES } from "./game.mjs";

const STAGE = /^([mnhw])(p?)([1-8]):(\d{1,5})$/;

const write = ({ loss, penalty, turns, steps }) => `${loss[0]}${penalty ? "p" : ""}${turns}:${steps}`;

/** The stages that a score tells of, or null when it makes no sense. */
export function parseScore(text) {
  const found = (text ? text.split(",") : []).map((part) => part.match(STAGE));
  return found.includes(null) ? null : found.map(([, letter, penalty, turns, steps]) => ({
    loss: LOSSES.find((name) => name[0] === letter), penalty: penalty === "p",
    turns: Number(turns), steps: Number(steps),
  }));
}

/** The score of all that was played, the present settings last; empty before the first step. */
export const scoreOf = (state) =>
  [state.before, state.steps > 0 && write(state)].filter(Boolean).join(",");

/** All steps of a game, under whatever settings. */
export const allSteps = (state) => parseScore(scoreOf(state)).reduce((sum, { steps }) => sum + steps, 0);

/** What names a position: two states of equal name have equal networks. */
export const positionOf = (state) =>
  [state.seed, state.data, state.data === "own" && state.points, scoreOf(state)].join("|");
