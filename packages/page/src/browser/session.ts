/** What is known of the server. `token`: it wants one, and refuses the one it was sent if `isWrong`. `connecting`: it has not answered yet, `withToken`: to one that was just given. */
export type Connection =
  | { readonly state: 'connected' | 'away' }
  | { readonly state: 'connecting'; readonly withToken: boolean }
  | { readonly state: 'token'; readonly isWrong: boolean }

const KEPT = 'token'

/** A request that came to nothing; `message` is for the user. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly code: 'HTTP_NETWORK' | 'HTTP_STATUS'
  /** Of the answer; 0 = there was none. */
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.code = status === 0 ? 'HTTP_NETWORK' : 'HTTP_STATUS'
  }
}

/**
 * Talks to the server of the page. The token is kept for this tab, and may come as `#token=…` of the address, from which it is removed.
 */
export class Session {
  #connection: Connection = { state: 'connecting', withToken: false }
  #token = takenToken() ?? sessionStorage.getItem(KEPT) ?? ''
  readonly #changed: () => void

  /** `changed` is called when `connection` has. */
  constructor(changed: () => void) {
    this.#changed = changed
    if (this.#token !== '') sessionStorage.setItem(KEPT, this.#token)
  }

  get connection(): Connection {
    return this.#connection
  }

  /** Uses another token from now on. */
  useToken(token: string): void {
    this.#token = token.trim()
    sessionStorage.setItem(KEPT, this.#token)
    this.#become({ state: 'connecting', withToken: true })
  }

  /** Resolves with an answer that is no error. Rejects with RequestError, or with the reason of the signal in `init`. */
  async request(path: string, init: RequestInit = {}): Promise<Response> {
    const token = this.#token
    const headers = new Headers(init.headers)
    if (token !== '') headers.set('authorization', `Bearer ${token}`)
    const response = await fetch(path, { cache: 'no-store', ...init, headers }).catch((error: unknown) => {
      init.signal?.throwIfAborted()
      this.#become({ state: 'away' })
      throw new RequestError(0, 'The server does not answer.', { cause: error })
    })
    if (response.status === 401) {
      // The answer to a token that is in use no more says nothing.
      if (token === this.#token) this.#become({ state: 'token', isWrong: token !== '' })
      throw new RequestError(401, token === '' ? 'The server requires a token.' : 'The server rejects the token.')
    }
    if (token === this.#token) this.#become({ state: 'connected' })
    if (!response.ok) throw new RequestError(response.status, await messageOf(response))
    return response
  }

  #become(connection: Connection): void {
    this.#connection = connection
    this.#changed()
  }
}

function takenToken(): string | undefined {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (token === null) return undefined
  history.replaceState(null, '', location.pathname + location.search)
  return token
}

/** What the server says, which is JSON with `message`. */
async function messageOf(response: Response): Promise<string> {
  const body: unknown = await response.json().catch(() => null)
  const isTold = typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string'
  return isTold && body.message !== '' ? String(body.message) : `The server answers with HTTP ${response.status}.`
}
