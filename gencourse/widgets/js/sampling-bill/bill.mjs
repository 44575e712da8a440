// What a sample costs: passes of one and the same network, at the time that each was measured to
// take.

/**
 * The three bills for `values` numbers in a sample, `steps` of a refinement and a chain with or
 * without its past remembered: name, passes, milliseconds for each and in all. A pass over the
 * whole sample grows in proportion to its values, a step that computes only what is new does not.
 * `scale` is how much slower than the measured machine another is.
 */
export function bills({ measured, values, steps, cached, scale = 1 }) {
  const share = (scale * values) / measured.values;
  const bill = (name, passes, each) => ({ name, passes, each, total: passes * each });
  return [
    bill("one", 1, share * measured.pass),
    bill("refine", steps, share * measured.pass),
    cached ? bill("chain", values, scale * measured.step) : bill("chain", values, share * measured.whole),
  ];
}

/** The number of refinement steps that takes as long as the chain. */
export function crossing(setting) {
  const [one, , chain] = bills(setting);
  return chain.total / one.total;
}

/** Passes done when the clock stands at `clock` milliseconds. */
export const done = ({ passes, each }, clock) => Math.min(passes, Math.floor(clock / each + 1e-9));
