// What the codes of failures mean: the table that docs/failure-codes.md shows, and what `dumps` says to do.

export interface FailureMeaning {
  readonly codes: readonly string[]
  /** It lies in the place and not in the message: everything goes on by itself once it is mended. */
  readonly isShared: boolean
  /** What it means and what to do, in Markdown, as the documentation has it. */
  readonly text: string
}

export const FAILURE_MEANINGS: readonly FailureMeaning[] = [
  {
    codes: ['INVALID_MESSAGE'],
    isShared: false,
    text: 'the body is not what the stage expects; `Error` names the field',
  },
  {
    codes: ['SAMPLE_MD5', 'WRONG_SAMPLE'],
    isShared: false,
    text: 'the sample, or the analysed file in Cuckoo, has another MD5 than the message. The latter happens after Cuckoo was cleaned, as its ids begin again',
  },
  {
    codes: ['SAMPLE_NOT_FOUND', 'SAMPLE_EMPTY', 'SAMPLE_TOO_LARGE'],
    isShared: false,
    text: 'CRITs has no such sample for this user, none of its bytes, or more than `MaxSampleSize`',
  },
  {
    codes: ['SAMPLE_UNREADABLE'],
    isShared: false,
    text: 'what CRITs sent for the sample is no base64, or a ZIP that cannot be read: is its option `zip7_password` still `infected`?',
  },
  {
    codes: ['SAMPLE_ELSEWHERE'],
    isShared: false,
    text: 'CRITs keeps the sample in a store of its own and gave the id of a file in place of the content',
  },
  {
    codes: ['NO_CRITS_URL', 'URL_NOT_ALLOWED'],
    isShared: false,
    text: 'set `CritsURL`, or extend `AllowedCritsURLs` or `AllowedCuckooURLs`',
  },
  {
    codes: ['CUCKOO_TASK_REFUSED'],
    isShared: false,
    text: 'Cuckoo refused the upload, or could not store the task. `Error` has its answer; look at its log and database. Of CAPE it says what to change',
  },
  {
    codes: ['CUCKOO_UNKNOWN_OUTCOME'],
    isShared: false,
    text: 'two uploads had no usable answer although Cuckoo is well, and no task was found',
  },
  {
    codes: ['CUCKOO_TOKEN_REFUSED'],
    isShared: true,
    text: 'status 401 or 403 of Cuckoo: see `CuckooTokens`, or user and password in its URL',
  },
  {
    codes: ['CUCKOO_ENDPOINT_OFF'],
    isShared: true,
    text: 'an endpoint of CAPE that is needed is switched off; `Error` names the section of its `conf/api.conf`',
  },
  {
    codes: ['CUCKOO_WEB_PAGE'],
    isShared: true,
    text: 'CAPE sent a web page in place of a file: the user of the token may not download reports (`reports` of the user, or `reports_dl_allowed_to_all` in `conf/web.conf`), or a proxy asks for a login',
  },
  {
    codes: ['CUCKOO_CALL_REFUSED'],
    isShared: false,
    text: 'CAPE refused a call in its own words, which are in `Error`: a TLP of RED, files that are gone',
  },
  {
    codes: ['CUCKOO_UNDECIDED'],
    isShared: false,
    text: 'what answers is neither a Cuckoo nor a CAPE: check `CuckooURL` (of a CAPE it ends in `/apiv2`), or set `Sandbox`',
  },
  {
    codes: ['CUCKOO_NOT_REACHED'],
    isShared: false,
    text: 'the Cuckoo of the message was away for `CuckooAwayLimit`. If it has a new address, run the service again in CRITs',
  },
  {
    codes: ['CUCKOO_STATUS_DOUBTFUL', 'CUCKOO_LISTS_DOUBTFUL'],
    isShared: false,
    text: 'counters or lists of Cuckoo are those of a failing database: look at it',
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
    text: "this one call failed although the server answered its control call before and after it: look at the server's log, at the files of the task, and at proxies",
  },
  {
    codes: ['TASK_FAILED', 'TASK_VANISHED', 'TASK_GONE'],
    isShared: false,
    text: 'the analysis failed in Cuckoo, or the task is not there any more. Resubmitting does not help; run the service again in CRITs',
  },
  {
    codes: ['TASK_GONE_AFTER_CLEANUP'],
    isShared: false,
    text: 'the task is gone and `CuckooCleanup` is on: most likely everything is in CRITs already',
  },
  {
    codes: ['ANALYSIS_DEADLINE'],
    isShared: false,
    text: 'the task was not reported within `AnalysisDeadline`, times without Cuckoo not counted',
  },
  {
    codes: ['NO_REPORT'],
    isShared: false,
    text: 'Cuckoo calls the task reported but has no report, or no archive of dropped files; `Error` has its reasons',
  },
  {
    codes: ['NOT_A_REPORT'],
    isShared: false,
    text: 'Cuckoo, or a proxy before it, sent another JSON object with status 200',
  },
  {
    codes: ['not-json', 'truncated', 'syntax', 'repeated', 'too-deep', 'too-large'],
    isShared: false,
    text: 'the report, or another JSON document of a server, is an error page, ends early, or cannot be read; `Error` has the place',
  },
  {
    codes: ['unknown-format', 'corrupt', 'limit', 'entry-too-large'],
    isShared: false,
    text: 'the archive of dropped files is none that is known, is damaged, or is larger than any archive should be',
  },
  {
    codes: ['unsupported'],
    isShared: false,
    text: 'the zip of dropped files is compressed or encrypted in a way that is not supported; `Error` names it. LZMA is what CAPE wrote from July 2021 to October 2025: switch `[taskreport]` on in its `api.conf`, or update it',
  },
  {
    codes: ['ARCHIVE_PASSWORD', 'password'],
    isShared: true,
    text: "the zip that the sandbox sent is encrypted with another password: set `ArchivePassword` to the `zip_pwd` of CAPE's `[zipped_download]`",
  },
  {
    codes: ['no-space', 'io', 'length'],
    isShared: false,
    text: 'a sample or an archive could not be kept in `TmpDir`, or has another length than was announced',
  },
  {
    codes: ['UPLOAD_SIZE'],
    isShared: false,
    text: 'a file has changed while it was uploaded',
  },
  {
    codes: ['CUCKOO_TOO_SLOW'],
    isShared: false,
    text: 'sending report and dropped files took longer than `HoldLimit`',
  },
  {
    codes: ['CRITS_AUTH'],
    isShared: true,
    text: '401: wrong key, the key of another user, or a web server that drops the header ([what CRITs must allow](crits.md#what-crits-must-allow))',
  },
  {
    codes: ['CRITS_URL'],
    isShared: true,
    text: "the answer was not CRITs' API: wrong URL, redirect, `enable_api` off",
  },
  {
    codes: ['CRITS_REFUSED', 'CRITS_STATUS'],
    isShared: false,
    text: 'CRITs refused, or failed at, this one call although it takes log lines: `Error` has its answer; look at its log',
  },
  {
    codes: ['CRITS_UPLOADS_REFUSED'],
    isShared: true,
    text: 'CRITs takes log lines but none of several dropped files: its database is full, or a proxy refuses uploads',
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
    text: 'CRITs did not answer a batch of results. The next try sends it again; its rows may be there twice',
  },
  {
    codes: ['CRITS_RESULTS_REFUSED'],
    isShared: false,
    text: 'CRITs refuses every row although it takes log lines: look at its log',
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
    text: 'a defect: please report it with the line',
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
