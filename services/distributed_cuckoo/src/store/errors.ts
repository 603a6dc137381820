import { ServiceError } from '@cuckoo-distributed/core'

/** The database cannot be used at all, or its file belongs to another process (STORE_IN_USE). Found out at start. */
export class StoreError extends ServiceError {}

/** A node has this name or this URL already. */
export class NameTakenError extends Error {
  readonly code = 'NAME_TAKEN'
  override readonly name = 'NameTakenError'
}

/** The database does not answer now. It is asked again with the next query. */
export class StoreLostError extends ServiceError {
  /** Whether the transaction may have been stored all the same. */
  readonly isDoubtful: boolean

  constructor(message: string, options: ErrorOptions & { readonly isDoubtful: boolean }) {
    super('STORE_LOST', message, options)
    this.isDoubtful = options.isDoubtful
  }
}

/** The database refuses what needs room, or memory, and answers everything else. */
export class StoreFullError extends StoreLostError {}
