// Configuration keys of the services that talk to Cuckoo.
import { allowedUrls, urlProblems } from '@cuckoo-distributed/http'
import Type from 'typebox'

export const AllowedCuckooURLs = allowedUrls('Cuckoo base URLs')

export const CuckooTokens = Type.Record(Type.String(), Type.String({ minLength: 1 }), {
  default: {},
  description:
    'API tokens by base URL of the sandbox, `{"http://cuckoo:8090": "${CUCKOO_TOKEN}"}`; sent as `Authorization: Bearer`, to a CAPE as `Authorization: Token`',
})

export const CuckooAwayLimit = Type.Integer({
  default: 7 * 86_400,
  minimum: 1,
  description: 'Seconds after which a message fails if its Cuckoo was unavailable all the time',
})

export const CapeDelete = Type.Union([Type.Literal('one'), Type.Literal('many')], {
  default: 'one',
  description:
    'How CAPE tasks are deleted: `one` = one by one, which needs `[taskdelete]` in its `api.conf`; `many` = by `delete_many`, which CAPE leaves open to everybody even so: only if the operators of that CAPE agree',
})

/**
 * `share`: the default, a part of the 5 requests a minute that CAPE allows a user over all services. `tokenKey`: the key of the
 * configuration that has the tokens.
 */
export function requestsPerMinuteKey(share: number, tokenKey = 'CuckooTokens') {
  return Type.Union([Type.Number({ minimum: 0.01, maximum: 100_000 }), Type.Literal('staff')], {
    default: share,
    description: `Requests a minute to each CAPE that has a token in \`${tokenKey}\`: by default CAPE allows a user 5 for all services together; \`staff\` = no limit, for a user whose requests CAPE does not count`,
  })
}

/** The number for a client; undefined: no bound. */
export function rateOf(requestsPerMinute: number | 'staff'): number | undefined {
  return requestsPerMinute === 'staff' ? undefined : requestsPerMinute
}

interface CuckooConfig {
  readonly AllowedCuckooURLs?: readonly string[]
  readonly CuckooTokens: Readonly<Record<string, string>>
}

/** What cannot be used, in words that name the key. */
export function cuckooProblems({ AllowedCuckooURLs = [], CuckooTokens }: CuckooConfig): string[] {
  return [
    ...urlProblems({ AllowedCuckooURLs }),
    ...urlProblems({ CuckooTokens: Object.keys(CuckooTokens) }, { userInfo: 'refused' }),
  ]
}
