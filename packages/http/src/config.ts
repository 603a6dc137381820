// Configuration keys of the services that talk HTTP.
import Type from 'typebox'

export const VerifySSL = Type.Boolean({ default: true, description: 'Check the certificates of HTTPS servers' })

/** A list of base URLs as `checkUrl` takes it. `what` is the first half of its description. */
export function allowedUrls(what: string) {
  return Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    description: `${what} that messages may name (scheme, host, port and path prefix); empty = any`,
  })
}
