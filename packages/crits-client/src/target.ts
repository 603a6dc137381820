/** What a message says about an analysis in CRITs, and whose calls about it are made. */

export interface Credentials {
  /** Without a colon: CRITs ends the name there. */
  readonly username: string
  readonly apiKey: string
}

/** Whose analysis of what: from the message. */
export interface CritsTarget extends Credentials {
  /** CRITs' name of the type, `Sample`. */
  readonly objectType: string
  readonly objectId: string
  /** Compared as text by CRITs: sent back unchanged. */
  readonly analysisId: string
}
