import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * What tells whether an Authorization header holds this token: as `Bearer <token>`, or as the password of HTTP Basic, since some
 * clients keep their credentials in a URL. Takes as long whatever was sent.
 */
export function tokenCheck(token: string): (authorization: string | undefined) => boolean {
  const wanted = digest(token)
  // Digests are of one length.
  return authorization => timingSafeEqual(digest(sentToken(authorization)), wanted)
}

function sentToken(authorization = ''): string {
  const [, scheme = '', credentials = ''] = /^(\S+) +(.+)$/.exec(authorization) ?? []
  if (scheme.toLowerCase() === 'bearer') return credentials
  if (scheme.toLowerCase() !== 'basic') return ''
  const pair = Buffer.from(credentials, 'base64').toString('utf8')
  return pair.slice(pair.indexOf(':') + 1)
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
