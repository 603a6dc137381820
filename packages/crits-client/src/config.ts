// Configuration keys of the services that talk to CRITs.
import { allowedUrls } from '@cuckoo-distributed/http'
import Type from 'typebox'

export const CritsURL = Type.String({
  default: '',
  description: 'Base URL of CRITs for messages that name none (the CRITs service of the Go suite sends none)',
})

export const AllowedCritsURLs = allowedUrls('CRITs base URLs')
