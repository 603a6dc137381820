// Configuration keys of the services that talk to Cuckoo.
import { allowedUrls } from '@cuckoo-distributed/http'
import Type from 'typebox'

export const AllowedCuckooURLs = allowedUrls('Cuckoo base URLs')

export const CuckooTokens = Type.Record(Type.String(), Type.String({ minLength: 1 }), {
  default: {},
  description:
    'API tokens by base URL of the Cuckoo, `{"http://cuckoo:8090": "${CUCKOO_TOKEN}"}`; sent as `Authorization: Bearer`',
})
