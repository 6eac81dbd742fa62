/** `path` from the server down, e.g. ["transport", "env", "TOKEN"]. */
export interface InputProblem {
  readonly path: readonly string[];
  readonly message: string;
}
