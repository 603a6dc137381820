/** Base URLs: what they may be, how they are shown, which ones are allowed. */

/**
 * A base URL cannot be used (`INVALID_URL`); it came in a message, and the configuration does not allow it (`URL_NOT_ALLOWED`); or
 * there is none (a code of its own). With a code but the first, trying the message again cannot help.
 */
export class UrlError extends Error {
  override readonly name = 'UrlError'
  readonly code: string
  readonly permanent: boolean

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.permanent = code !== 'INVALID_URL'
  }
}

/**
 * Parses a base URL and strips trailing slashes from its path.
 *
 * @throws UrlError (INVALID_URL) unless it is an absolute http or https URL without query and fragment. Nothing of it is in the
 * message: it may hold a password, and one that is not percent-encoded may be anywhere in it.
 */
export function parseBaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new UrlError('INVALID_URL', 'a base URL must be absolute and begin with http:// or https://')
  }
  if (`${url.pathname}${url.search}${url.hash}`.includes('@')) {
    throw new UrlError(
      'INVALID_URL',
      'a base URL must not have an @ after the host: percent-encode it, also in user and password',
    )
  }
  if (url.search !== '' || url.hash !== '')
    throw new UrlError('INVALID_URL', 'a base URL must not have a query or a fragment')
  url.pathname = url.pathname.replace(/\/+$/, '')
  return url
}

/**
 * What is wrong with the URLs of a configuration, by key, one line each. Empty texts count as not configured.
 * `userInfo: 'refused'` is for servers that have credentials of another kind, where it would have no effect.
 */
export function urlProblems(
  urls: Readonly<Record<string, string | readonly string[]>>,
  { userInfo = 'allowed' }: { readonly userInfo?: 'allowed' | 'refused' } = {},
): string[] {
  const entries = Object.entries(urls).flatMap(([key, value]) => [value].flat().map(url => ({ key, url })))
  return entries
    .filter(({ url }) => url !== '')
    .flatMap(({ key, url }) => {
      const problem = baseUrlProblem(url, userInfo)
      return problem === undefined ? [] : [`"${key}": ${problem}`]
    })
}

function baseUrlProblem(text: string, userInfo: 'allowed' | 'refused'): string | undefined {
  try {
    const { username, password } = parseBaseUrl(text)
    return userInfo === 'refused' && username + password !== '' ? 'user and password have no effect here' : undefined
  } catch (error: unknown) {
    if (error instanceof UrlError) return error.message
    throw error
  }
}

/** The URL as it may be shown: no user info, query, fragment or trailing slash. */
export function displayUrl(url: URL): string {
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

/**
 * Decides whether a base URL that came in a message may be used, and returns the URL to use: the message's, with the
 * user info of the entry that allows it, so that credentials stay in the configuration.
 *
 * Scheme, host and port must equal those of an entry, and the entry's path must be the URL's path or lead to it on a
 * segment boundary: `http://h/a` allows `http://h/a/b`, not `http://h/ab`. An empty `allowed` allows any http or https URL.
 *
 * @throws UrlError (URL_NOT_ALLOWED) when it is not allowed, has user info, or is no usable base URL.
 */
export function checkUrl(text: string, allowed: readonly URL[]): URL {
  const url = parseForeignUrl(text)
  if (allowed.length === 0) return url
  const entry = allowed.find(candidate => covers(candidate, url))
  if (entry === undefined)
    throw new UrlError('URL_NOT_ALLOWED', `the URL ${displayUrl(url)} is not in the list of allowed URLs`)
  url.username = entry.username
  url.password = entry.password
  return url
}

function parseForeignUrl(text: string): URL {
  let url: URL
  try {
    url = parseBaseUrl(text)
  } catch (error: unknown) {
    throw new UrlError('URL_NOT_ALLOWED', `the URL in the message: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
    })
  }
  if (url.username !== '' || url.password !== '') {
    throw new UrlError(
      'URL_NOT_ALLOWED',
      `the URL ${displayUrl(url)} in the message holds a user name or password; put them into the configuration`,
    )
  }
  // A server may decode these and then walk up with "..", out of the allowed path.
  if (/%2f|%5c/i.test(url.pathname)) {
    throw new UrlError('URL_NOT_ALLOWED', `the URL ${displayUrl(url)} in the message has an encoded slash in its path`)
  }
  return url
}

function covers(entry: URL, url: URL): boolean {
  const prefix = entry.pathname.replace(/\/+$/, '')
  return entry.origin === url.origin && (url.pathname === prefix || `${url.pathname}/`.startsWith(`${prefix}/`))
}
