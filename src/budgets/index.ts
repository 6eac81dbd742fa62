/**
 * budgets: counts and limits. Here only the shape of what a call asks for, so that it is part of every call from the first day;
 * `calls/admit` bounds concurrency alone. Reserving and settling tokens, money and steps builds on this shape.
 *
 * Identities: none. Bounds: none held yet. Errors: none. Signals: none. Never orders work.
 */

/** What one call would use up. Tokens are estimated from the size of the arguments (see `estimatedTokens`). */
export interface BudgetDemand {
  readonly calls: number;
  readonly argumentTokens: number;
}

/** Four characters a token: within -27 % on JSON and about right on prose. Always reported as an estimate. */
export const estimatedTokens = (characters: number): number => Math.ceil(characters / 4);
