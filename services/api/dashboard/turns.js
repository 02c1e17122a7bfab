// Questions of one kind, of which the newest counts.

export class Turns {
  #asked = 0;

  /** Begin a question; what is returned says whether no later one has begun: only then is its answer drawn. */
  begin() {
    const mine = ++this.#asked;
    return () => mine === this.#asked;
  }
}
