// What must not be shown: secrets by the names that they go under, and secrets in texts that other programs have made.

/** Values under these keys are never shown, whatever the case of their letters. */
const SECRET_KEYS: ReadonlySet<string> = new Set([
  'api_key',
  'apikey',
  'password',
  'authorization',
  'amqp',
  'token',
  'data',
  'body',
  'msg',
  'msgbase64',
])
const HIDDEN = '[hidden]'
/** Nothing that is deeper is meant for reading, and what refers to itself has no end. */
const MAX_DEPTH = 8

/** Whether the value under this name is never shown. */
export function isSecretName(name: string): boolean {
  return SECRET_KEYS.has(name.toLowerCase())
}

/** The fields of a log line without values under secret keys, at any depth, and without secrets inside texts. */
export function redactFields(fields: object, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => {
      return [key, isSecretName(key) ? HIDDEN : redactValue(value, depth + 1)]
    }),
  )
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value !== 'object' || value === null || value instanceof Error) return value
  if (depth > MAX_DEPTH) return '[too deep]'
  return Array.isArray(value) ? value.map(item => redactValue(item, depth + 1)) : redactFields(value, depth)
}

/** User info of a URL, up to the last `@` of the word: a password that is not percent-encoded may hold any of `@/#?`. */
const USER_INFO = /:\/\/[^\s"'<>]*@/g
/** The values of the header `Authorization`. */
const CREDENTIALS = /\b(ApiKey|Bearer|Basic)(\s+)[^\s"',;]+/gi
/** `api_key=value`, `"api_key": "value"`, `ApiKey:value` of a Go struct, `api_key%3Dvalue`; a text may come here more than once. */
const NAMED =
  /(api_?key|password|passwd|pwd|secret|token)(\\?["']?(?:\s*[:=]\s*|%3D)\\?["']?)(?!\[hidden\])[^\s"'&,;\\)}\]]+/gi

/** A text of another program, e.g. the error of a Go worker, without the secrets that can be told from the rest. */
export function redactText(text: string): string {
  return text.replace(USER_INFO, `://${HIDDEN}@`).replace(CREDENTIALS, `$1$2${HIDDEN}`).replace(NAMED, `$1$2${HIDDEN}`)
}
