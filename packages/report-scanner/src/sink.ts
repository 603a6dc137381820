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
  /** The analysis package that was really used. */
  readonly package: string
  /** The archive that was sent, when the sandbox took the analysed file out of it. */
  readonly parent: ReportTarget | undefined
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

/** What the sandbox makes of the sample. */
export interface ReportVerdict {
  /** A number as text. CAPE: 0 to 10; Cuckoo 2.0: from 0, open above. */
  readonly score: string
  /** CAPE: `Malicious`, `Suspicious`, `Clean`, `Undetected`, or `Failed` when the sample never ran. */
  readonly status: string
}

/** A family of malware, by one engine that knows it. */
export interface ReportDetection {
  readonly family: string
  /** `Yara`, `ClamAV`, `Suricata`, …; empty when the report does not tell. */
  readonly engine: string
}

/** A technique of MITRE ATT&CK, such as `T1057`, and the name of the signature that found it. */
export interface ReportTechnique {
  readonly technique: string
  readonly signature: string
}

/** A value of the configuration that was taken out of malware. */
export interface ReportConfigValue {
  readonly family: string
  /** The keys that lead to it, dots between them. */
  readonly key: string
  readonly value: string
}

export interface ReportDomain {
  readonly domain: string
  /** Empty when it was not resolved. */
  readonly ip: string
}

/** One HTTP request, with the names of the report. */
export interface ReportHttpRequest
  extends Readonly<Record<'body' | 'uri' | 'method' | 'host' | 'version' | 'path' | 'data' | 'user-agent', string>> {
  /** How often it was sent. */
  readonly count: number | ''
  readonly port: number | ''
}

/** What the report says about a file that the sandbox kept. */
export interface StoredFile {
  /** `payload`: unpacked or injected; `procdump`: the memory of a process. */
  readonly kind: 'dropped' | 'payload' | 'procdump'
  readonly name: string
  readonly md5: string
  readonly sha256: string
  /** CAPE's words for a payload: `Unpacked PE Image: 32-bit executable`. */
  readonly type: string
  /** The process that it comes from; several pids have commas between them. */
  readonly process: string
  readonly pid: string
}

/** Takes the contents of a report while it is read. An error thrown by a sink ends the scan with that error; what came before an error does not count. */
export interface ReportSink {
  /** Once, unless the report has no `info`. */
  onInfo?(info: ReportInfo): void
  /** Once, unless the report names no file. */
  onTarget?(target: ReportTarget): void
  /** What went wrong in the sandbox: `debug.errors`. */
  onError?(text: string): void
  /** Once, at the end, if there is any. */
  onVerdict?(verdict: ReportVerdict): void
  onSignature?(signature: ReportSignature): void
  /** Each pair of family and engine, and of technique and signature, once, as far as they can be remembered (8 million characters). */
  onDetection?(detection: ReportDetection): void
  onTechnique?(technique: ReportTechnique): void
  /** Each value of a key once, within the same limit; none that is empty. */
  onConfig?(value: ReportConfigValue): void
  /** Addresses, domains and requests come as the report lists them. */
  onHost?(ip: string): void
  onDomain?(domain: ReportDomain): void
  onHttp?(request: ReportHttpRequest): void
  onStoredFile?(file: StoredFile): void
  /** Comes after the calls of the process. Without a list of processes they come out of their tree, without times. */
  onProcess?(process: ReportProcess): void
  /** `process` is `name (pid)`. */
  onCall?(call: ApiCall, process: string): void
  /** Each distinct path once, as long as those seen are not too many to remember (8 million characters). The same for keys and mutexes. */
  onFile?(path: string): void
  onKey?(key: string): void
  onMutex?(name: string): void
}
