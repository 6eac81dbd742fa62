/** Where a roll call stands. */
export interface RollCallStanding {
  /** The epoch that the database got when it was found to have become another. */
  readonly epoch: number;
  /** So many of those who were at work have not looked yet whether theirs is there. */
  readonly unheard: number;
  /** Everybody has answered or is given up, and something that was acknowledged is gone, or may be: that is to be put into review. */
  readonly hasLost: boolean;
}

/**
 * A database that several nodes write can become another behind their backs: a standby is promoted, or it is brought back to an earlier
 * state. Then each of those who were at work finds out whether the newest that was acknowledged to it is there. Until all have, or had
 * their time, nobody knows whether an effect that is not on record was carried out.
 */
export interface RollCall {
  /**
   * null = none is on. Ends one in which everybody has found theirs; gives those up who did not answer within `silentMs`, who write nothing
   * more from then on. Any node may ask, as often as it likes.
   */
  look(silentMs: number): Promise<RollCallStanding | null>;
  /** What was lost up to this epoch is in review. */
  end(epoch: number): Promise<void>;
}
