/** The database cannot be used at all. Found out at start. */
export class StoreError extends Error {
  readonly code: string = 'STORE'
  override readonly name: string = 'StoreError'
}

/** The SQLite file belongs to another process. */
export class StoreInUseError extends StoreError {
  override readonly code = 'STORE_IN_USE'
  override readonly name = 'StoreInUseError'
}

/** A node has this name or this URL already. */
export class NameTakenError extends Error {
  readonly code = 'NAME_TAKEN'
  override readonly name = 'NameTakenError'
}

/** The connection that held the scheduler's lock is gone. */
export class LeadershipLostError extends Error {
  readonly code = 'LEADERSHIP_LOST'
  override readonly name = 'LeadershipLostError'
}

/** The database does not answer now. It is asked again with the next query. */
export class StoreLostError extends Error {
  readonly code = 'STORE_LOST'
  override readonly name = 'StoreLostError'
}
