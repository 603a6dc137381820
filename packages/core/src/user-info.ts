// User and password inside the texts of URLs that a configuration holds, before anybody parses them as URLs.

const SCHEME_AND_AUTHORITY = /^([a-z][a-z\d+.-]*:\/\/)([^/?#\\]*)/i

/** What to say of a URL whose user info cannot be told from the rest. */
export const PERCENT_ENCODE =
  'has a user or password that cannot be told from the rest: percent-encode what is special there: @ is %40, / is %2F, # is %23, ? is %3F, % is %25'

/**
 * True for a URL whose user and password cannot be told from the rest: a part of them would be taken as the host, shown and
 * looked up. An `@` behind the host counts as such; where it is meant, it is `%40`.
 */
export function isUserInfoBroken(text: string): boolean {
  const [whole, , authority = ''] = SCHEME_AND_AUTHORITY.exec(text) ?? []
  if (whole === undefined) return false
  return text.includes('@', whole.length) || !isEncoded(authority.slice(0, authority.lastIndexOf('@') + 1))
}

/** Replaces each `${NAME}` by what `lookUp` says, percent-encoded where it stands in the user info of a URL. */
export function fillVariables(text: string, lookUp: (name: string) => string | undefined): string {
  const [, scheme = '', authority = ''] = SCHEME_AND_AUTHORITY.exec(text) ?? []
  const endOfUserInfo = scheme.length + authority.lastIndexOf('@')
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (variable, name: string, at: number) => {
    const value = lookUp(name)
    if (value === undefined) return variable
    return at < endOfUserInfo ? encodeURIComponent(value) : value
  })
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false // a % that begins no byte
  }
}
