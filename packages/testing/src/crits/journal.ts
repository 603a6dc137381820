// What the stand-in remembers of every request, and every breach of the rules that real CRITs would let pass.

/** One request as it arrived and how it was answered. Values of fields and headers are never kept. */
export interface JournalEntry {
  readonly method: string
  /** Without the query string. */
  readonly path: string
  readonly contentType: string | undefined
  readonly headerNames: readonly string[]
  readonly queryNames: readonly string[]
  /** Form or JSON fields and files in the order they arrived, with their size in bytes. */
  fields: readonly { readonly name: string; readonly size: number }[]
  /** Undefined while the request is served, and for ever when no answer was sent. */
  status?: number
  /** The kind of the scripted fault that met the request. */
  fault?: string
  /** `return_code` of the answer, if it has one. */
  returnCode?: number
}

/** Something a correct client never does, though CRITs accepts it. */
export type BreachedRule =
  | 'key-in-query'
  | 'method-override'
  | 'list-of-samples'
  | 'extended-filename'
  | 'empty-filename'
  | 'missing-description'
  | 'parallel-upload'
  | 'false-that-means-true'
  | 'unknown-log-level'
  | 'forbidden-result-key'
  | 'scattered-subtype'
  | 'unequal-keys'

export interface Violation {
  readonly rule: BreachedRule
  /** What was seen and where; no values of fields but names, subtypes and result keys. */
  readonly message: string
}

/** Takes note of a breach; a test asserts that none was noted. */
export type Report = (rule: BreachedRule, message: string) => void
