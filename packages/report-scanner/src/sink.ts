// What a report tells, in one shape for Cuckoo 1.x, Cuckoo 2.0 and CAPE.
import type { ApiCall } from './normalise.js'

/** The analysis. What the report does not say is the empty string. */
export interface ReportInfo {
  /** Number of the analysis in its sandbox. Ids come back: it does not tell whose report this is. */
  readonly id: string
  /** `YYYY-MM-DD HH:MM:SS` by the clock of the sandbox. */
  readonly started: string
  readonly ended: string
  /** Name of the machine, or `FAILED` if there was none. */
  readonly machine: string
}

/** A signature that matched. */
export interface ReportSignature {
  readonly name: string
  readonly description: string
  /** A whole number as text. */
  readonly severity: string
}

/** A process that was watched. */
export interface ReportProcess {
  readonly name: string
  readonly pid: string
  readonly parentPid: string
  /** `YYYY-MM-DD HH:MM:SS,mmm` by the clock of the guest. */
  readonly firstSeen: string
}

/** Hashes of the file that was analysed; empty strings where the report does not say. */
export interface ReportTarget {
  readonly md5: string
  readonly sha256: string
}

/** Takes the contents of a report while it is read. An error thrown by a sink ends the scan with that error; what came before an error does not count. */
export interface ReportSink {
  /** Once, unless the report has no `info`. */
  onInfo?(info: ReportInfo): void
  /** Once, unless the report names no file. */
  onTarget?(target: ReportTarget): void
  onSignature?(signature: ReportSignature): void
  /** Comes after the calls of the process. */
  onProcess?(process: ReportProcess): void
  /** `process` is `name (pid)`. */
  onCall?(call: ApiCall, process: string): void
  /** Each distinct path once, as long as those seen are not too many to remember (8 million characters). The same for keys and mutexes. */
  onFile?(path: string): void
  onKey?(key: string): void
  onMutex?(name: string): void
}
