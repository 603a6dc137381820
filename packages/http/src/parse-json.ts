/** JSON as Python writes it. */

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g

/**
 * As `JSON.parse`, but NaN and the infinities, which Python's `json.dumps` writes for such floats, become null.
 *
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error: unknown) {
    if (!/NaN|Infinity/.test(text)) throw error
    return JSON.parse(text.replace(TOKEN, token => (token.startsWith('"') ? token : 'null')))
  }
}
