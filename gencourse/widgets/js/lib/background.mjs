// Work beside the page: one worker, asked one thing at a time.

/**
 * A worker that runs `source`, the text of a script made with `answering`, or, where the page may
 * not have one, the same `answer` in the page itself. `ask(question)` promises its answer, in order.
 */
export function background(source, answer) {
  const waiting = [];
  let worker = null;
  try {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    worker = new Worker(url);
    URL.revokeObjectURL(url);
    worker.onmessage = ({ data }) => waiting.shift().resolve(data);
    // A worker that cannot start says so only now: what it was asked is answered here.
    worker.onerror = (event) => {
      event.preventDefault();
      worker = null;
      waiting.splice(0).forEach(({ question, resolve }) => resolve(answer(question)));
    };
  } catch {
    worker = null;
  }
  return {
    ask: (question) =>
      new Promise((resolve) => {
        if (!worker) return setTimeout(() => resolve(answer(question)));
        waiting.push({ question, resolve });
        worker.postMessage(question);
      }),
    stop: () => worker?.terminate(),
  };
}

/** The worker's side: answers every question with `answer`. */
export const answering = (answer) => {
  self.onmessage = ({ data }) => self.postMessage(answer(data));
};
