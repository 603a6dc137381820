// Configuration keys of the services that talk to CRITs.
import { allowedUrls, urlProblems } from '@cuckoo-distributed/http'
import Type from 'typebox'

export const CritsURL = Type.String({
  default: '',
  description: 'Base URL of CRITs for messages that name none (the CRITs service of the Go suite sends none)',
})

export const AllowedCritsURLs = allowedUrls('CRITs base URLs')

interface CritsConfig {
  readonly CritsURL: string
  readonly AllowedCritsURLs: readonly string[]
}

/** What cannot be used, in words that name the key. CRITs takes the credentials of the message and no others. */
export function critsProblems({ CritsURL, AllowedCritsURLs }: CritsConfig): string[] {
  return urlProblems({ CritsURL, AllowedCritsURLs }, { userInfo: 'refused' })
}

/** What works and is most likely not meant. */
export function critsAdvice({ CritsURL }: CritsConfig): string[] {
  const advice =
    '"CritsURL" is empty: messages without crits_url fail, and the CRITs service of the Go suite sends none'
  return CritsURL === '' ? [advice] : []
}
