/** What requests say of nodes. */
import type { DistributedConfig } from '../config.js'
import { addressIn, ruleOf } from '../networks.js'
import { ApiError } from './errors.js'

const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/

export interface ByName {
  Params: { name: string }
}

/** @throws ApiError 400 */
export function checkedName(name: string): string {
  if (NAME.test(name)) return name
  throw new ApiError(400, 'Parameter name must be 1 to 64 letters, digits, dots, hyphens and underscores')
}

/** An address that no connection would be made to is refused at once; what a name leads to is seen then. @throws ApiError 400 */
export function checkedUrl({ NodeNetworks }: Pick<DistributedConfig, 'NodeNetworks'>, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new ApiError(400, 'Parameter url must begin with http:// or https://')
  }
  if (url.username || url.password || url.search || url.hash || text.length > 2048) {
    throw new ApiError(400, 'Parameter url must have no user name, password, query or fragment')
  }
  const address = addressIn(text)
  if (address === undefined || ruleOf(NodeNetworks)?.(address) !== false) return text
  throw new ApiError(400, 'Parameter url: its address is not in NodeNetworks')
}
