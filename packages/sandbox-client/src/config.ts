// Configuration keys of the services that talk to Cuckoo.
import { allowedUrls, urlProblems } from '@cuckoo-distributed/http'
import Type from 'typebox'

export const AllowedCuckooURLs = allowedUrls('Cuckoo base URLs')

export const CuckooTokens = Type.Record(Type.String(), Type.String({ minLength: 1 }), {
  default: {},
  description:
    'API tokens by base URL of the Cuckoo, `{"http://cuckoo:8090": "${CUCKOO_TOKEN}"}`; sent as `Authorization: Bearer`',
})

export const CuckooAwayLimit = Type.Integer({
  default: 7 * 86_400,
  minimum: 1,
  description: 'Seconds after which a message has failed whose Cuckoo was not reached in all that time',
})

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
