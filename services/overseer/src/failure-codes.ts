// What the codes of failures mean: the table that docs/failure-codes.md shows, and what `dumps` says to do.

export interface FailureMeaning {
  readonly codes: readonly string[]
  /** Caused by the environment and not by the message: everything continues by itself once it is fixed. */
  readonly isShared: boolean
  /** What it means and what to do, in Markdown, as the documentation has it. */
  readonly text: string
}

export const FAILURE_MEANINGS: readonly FailureMeaning[] = [
  {
    codes: ['INVALID_MESSAGE'],
    isShared: false,
    text: 'the body is not valid for this service; `Error` names the field',
  },
  {
    codes: ['SAMPLE_MD5', 'WRONG_SAMPLE'],
    isShared: false,
    text: 'the MD5 of the sample (`SAMPLE_MD5`), or of the file analysed in Cuckoo (`WRONG_SAMPLE`), is not that in the message. The latter happens after Cuckoo was cleaned, as task ids start again',
  },
  {
    codes: ['SAMPLE_NOT_FOUND', 'SAMPLE_EMPTY', 'SAMPLE_TOO_LARGE'],
    isShared: false,
    text: 'CRITs has no such sample for this user, has no content for it, or it is larger than `MaxSampleSize`',
  },
  {
    codes: ['SAMPLE_UNREADABLE'],
    isShared: false,
    text: 'CRITs sent a sample that is not base64, or a ZIP that cannot be opened: is the CRITs option `zip7_password` still `infected`?',
  },
  {
    codes: ['SAMPLE_ELSEWHERE'],
    isShared: false,
    text: 'CRITs keeps its samples in a separate store and sent a file id instead of the content',
  },
  {
    codes: ['NO_CRITS_URL', 'URL_NOT_ALLOWED'],
    isShared: false,
    text: 'set `CritsURL`, or extend `AllowedCritsURLs` or `AllowedCuckooURLs`',
  },
  {
    codes: ['CUCKOO_TASK_REFUSED'],
    isShared: false,
    text: 'Cuckoo rejected the upload or could not store the task. `Error` has its answer; check its log and database. For CAPE, `Error` says what to change',
  },
  {
    codes: ['CUCKOO_UNKNOWN_OUTCOME'],
    isShared: false,
    text: 'two uploads had no usable answer although Cuckoo is available, and no task was found',
  },
  {
    codes: ['CUCKOO_TOKEN_REFUSED'],
    isShared: true,
    text: 'Cuckoo answered 401 or 403: check `CuckooTokens`, the rights of their users, or user and password in its URL',
  },
  {
    codes: ['CUCKOO_ENDPOINT_OFF'],
    isShared: true,
    text: 'a required endpoint of CAPE is switched off; `Error` names the section of its `conf/api.conf`',
  },
  {
    codes: ['CUCKOO_WEB_PAGE'],
    isShared: true,
    text: 'CAPE sent a web page instead of a file: the user of the token may not download reports (`reports` of the user, or `reports_dl_allowed_to_all` in `conf/web.conf`), or a proxy requires a login',
  },
  {
    codes: ['CUCKOO_CALL_REFUSED'],
    isShared: false,
    text: 'CAPE rejected a call for the reason in `Error`, such as TLP RED or deleted files',
  },
  {
    codes: ['CUCKOO_UNDECIDED'],
    isShared: false,
    text: 'the server is neither Cuckoo nor CAPE, or not the one that `Sandbox` says: check `CuckooURL` (for CAPE it ends in `/apiv2`), or set `Sandbox`',
  },
  {
    codes: ['CUCKOO_NOT_REACHED'],
    isShared: false,
    text: 'the Cuckoo of this message was unavailable for `CuckooAwayLimit`. If it has a new address, run the service in CRITs again',
  },
  {
    codes: ['CUCKOO_STATUS_DOUBTFUL', 'CUCKOO_LISTS_DOUBTFUL'],
    isShared: false,
    text: 'the counters or lists of Cuckoo look like those of a failing database: check it',
  },
  {
    codes: ['CUCKOO_UNEXPECTED_ANSWER'],
    isShared: false,
    text: "JSON, but not what Cuckoo's API answers: is `CuckooURL` that of the API?",
  },
  {
    codes: [
      'HTTP_NETWORK',
      'HTTP_TIMEOUT',
      'HTTP_STATUS',
      'HTTP_BODY_TRUNCATED',
      'HTTP_BODY_TOO_LARGE',
      'HTTP_NOT_JSON',
    ],
    isShared: false,
    text: "only this call failed; the server answered a probe before and after it. Check the server's log, the files of the task, and proxies",
  },
  {
    codes: ['TASK_FAILED', 'TASK_VANISHED', 'TASK_GONE'],
    isShared: false,
    text: 'the analysis failed in Cuckoo, or the task no longer exists. Resubmitting does not help; run the service in CRITs again',
  },
  {
    codes: ['TASK_GONE_AFTER_CLEANUP'],
    isShared: false,
    text: 'the task no longer exists and `CuckooCleanup` is on: most likely everything is in CRITs already',
  },
  {
    codes: ['ANALYSIS_DEADLINE'],
    isShared: false,
    text: 'the task was not reported within `AnalysisDeadline`, not counting the time in which Cuckoo was unavailable',
  },
  {
    codes: ['NO_REPORT'],
    isShared: false,
    text: 'Cuckoo marked the task as reported but has no report, or no archive of dropped files; `Error` has the reasons',
  },
  {
    codes: ['NOT_A_REPORT'],
    isShared: false,
    text: 'Cuckoo, or a proxy in front of it, answered 200 with JSON that is not a report',
  },
  {
    codes: ['not-json', 'truncated', 'syntax', 'repeated', 'too-deep', 'too-large'],
    isShared: false,
    text: 'the report, or other JSON from a server, is an error page, is truncated, or cannot be parsed; `Error` has the position',
  },
  {
    codes: ['unknown-format', 'corrupt', 'limit', 'entry-too-large'],
    isShared: false,
    text: 'the archive of dropped files has an unknown format, is damaged, or exceeds the size limits',
  },
  {
    codes: ['unsupported'],
    isShared: false,
    text: 'the zip of dropped files uses a compression or encryption that is not supported; `Error` names it. CAPE used LZMA from July 2021 to October 2025: switch `[taskreport]` on in its `api.conf`, or update it',
  },
  {
    codes: ['ARCHIVE_PASSWORD', 'password'],
    isShared: true,
    text: "the zip from the sandbox is encrypted with another password: set `ArchivePassword` to the `zip_pwd` of CAPE's `[zipped_download]`",
  },
  {
    codes: ['no-space', 'io', 'length'],
    isShared: false,
    text: 'a sample or archive could not be stored in `TmpDir`, or its length is not the announced one',
  },
  {
    codes: ['UPLOAD_SIZE'],
    isShared: false,
    text: 'a file changed during its upload',
  },
  {
    codes: ['CUCKOO_TOO_SLOW'],
    isShared: false,
    text: 'downloading the report and the dropped files took longer than `HoldLimit`',
  },
  {
    codes: ['CRITS_AUTH'],
    isShared: true,
    text: 'CRITs answered 401: wrong key, the key of another user, or a web server that drops the header ([what CRITs must allow](crits.md#what-crits-must-allow))',
  },
  {
    codes: ['CRITS_URL'],
    isShared: true,
    text: "the answer did not come from CRITs' API: wrong URL, a redirect, or `enable_api` is off",
  },
  {
    codes: ['CRITS_REFUSED', 'CRITS_STATUS'],
    isShared: false,
    text: 'CRITs rejected or failed this call although it accepts log lines: `Error` has its answer; check its log',
  },
  {
    codes: ['CRITS_UPLOADS_REFUSED'],
    isShared: true,
    text: 'CRITs accepts log lines but none of several dropped files: its database is full, or a proxy rejects uploads',
  },
  {
    codes: ['HTTP_CERTIFICATE'],
    isShared: true,
    text: 'the certificate of the server is not trusted',
  },
  {
    codes: ['CRITS_ANALYSIS_GONE'],
    isShared: false,
    text: 'the analysis was deleted in CRITs; delete the dump',
  },
  {
    codes: ['CRITS_RESULTS_UNKNOWN'],
    isShared: false,
    text: 'CRITs did not answer a batch of results. The next attempt sends it again, so its rows may be duplicated',
  },
  {
    codes: ['CRITS_RESULTS_REFUSED'],
    isShared: false,
    text: 'CRITs rejects every row although it accepts log lines: check its log',
  },
  {
    codes: ['MESSAGE_TOO_LARGE'],
    isShared: false,
    text: "a body is above `MaxMessageSize` or the broker's `max_message_size`",
  },
  {
    codes: ['UNDELIVERABLE'],
    isShared: false,
    text: 'the queue that the message names does not exist',
  },
  {
    codes: ['UNEXPECTED', 'NOT_AN_ERROR'],
    isShared: false,
    text: 'a bug: please report it with the log line',
  },
]

/** What is known of a code; undefined for one of another program, such as a Go stage. */
export function meaningOf(code: string): FailureMeaning | undefined {
  return FAILURE_MEANINGS.find(({ codes }) => codes.includes(code))
}

/** Its text without Markdown, for a terminal. */
export function plainText({ text }: FailureMeaning): string {
  return text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', '')
}
