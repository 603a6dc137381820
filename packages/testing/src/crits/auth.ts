// Who may call the API: `crits/crits:crits/core/api.py` and tastypie's ApiKeyAuthentication.
import type { IncomingHttpHeaders } from 'node:http'

/** Traffic light protocol levels, from public to most restricted. */
export const TLP_LEVELS = ['white', 'green', 'amber', 'red'] as const
export type Tlp = (typeof TLP_LEVELS)[number]

/** What a user may do with one source. */
export interface SourceRight {
  readonly name: string
  /** Whether the user may add objects to the source. Default true. */
  readonly write?: boolean
  /** The most restricted level the user may read. Default `red`. */
  readonly tlp?: Tlp
}

/** An account. Secrets live in the test that makes them; there is no default key. */
export interface CritsUser {
  readonly name: string
  readonly keys: readonly string[]
  readonly sources: readonly SourceRight[]
  /** Default true. */
  readonly active?: boolean
  /** Right `api_interface` of the user's role. Default true. */
  readonly api?: boolean
  /** Whether the role may create samples at all. Default true. */
  readonly createSamples?: boolean
}

export type Profile = '2015' | 'stable' | 'master'

interface Credentials {
  readonly name: string
  readonly key: string
}

/**
 * Finds the user of a request, or undefined for a 401. A header with the scheme `ApiKey` is the only thing looked at
 * when it is there; then the query string counts, then the form fields of a POST (`form` is undefined for other methods).
 */
export function authenticate(
  users: readonly CritsUser[],
  profile: Profile,
  headers: IncomingHttpHeaders,
  query: URLSearchParams,
  form: ReadonlyMap<string, string> | undefined,
): CritsUser | undefined {
  const header = headers.authorization ?? ''
  const given = /^apikey /i.test(header) ? fromHeader(header, profile) : fromFields(query, form)
  if (given === undefined || given.name === '' || given.key === '') return undefined
  const user = users.find(({ name }) => name === given.name)
  if (user?.active === false || user?.api === false) return undefined
  return user?.keys.includes(given.key) ? user : undefined
}

function fromHeader(header: string, profile: Profile): Credentials | undefined {
  // Node decodes header bytes as Latin-1, Python 2 hands on the bytes.
  const text = Buffer.from(header, 'latin1').toString('utf8')
  // tastypie before 0.13 splits at any run of white space.
  const data = profile === '2015' ? text.slice(7).trim() : text.slice(7)
  const colon = data.indexOf(':')
  if (colon === -1) return undefined
  return { name: data.slice(0, colon), key: data.slice(colon + 1) }
}

function fromFields(query: URLSearchParams, form: ReadonlyMap<string, string> | undefined): Credentials | undefined {
  const name = query.get('username') ?? form?.get('username')
  const key = query.get('api_key') ?? form?.get('api_key')
  return name === undefined || key === undefined ? undefined : { name, key }
}
