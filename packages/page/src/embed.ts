import { createHash } from 'node:crypto'

/** A page as scripts/generate.mjs makes it of its sources. */
export interface PageParts {
  /** One classic script with everything it needs, which renders into `#page`. */
  readonly script: string
  readonly style: string
}

export interface EmbeddedPage {
  readonly html: string
  /** To be sent with it. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Puts a page into one document that loads nothing. It may run this very script, ask its own server and nobody else, and make markup of
 * texts only by way of lit-html (`trusted-types lit-html`).
 */
export function embedPage(title: string, { script, style }: PageParts): EmbeddedPage {
  // Either would end the element early, or keep it open.
  if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style))
    throw new RangeError('a page has a tag inside its script or style')
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<style>${style}</style>
<body>
<noscript>This page needs JavaScript.</noscript>
<div id="page"></div>
<script>${script}</script>
</body>
</html>
`
  const policy = [
    "default-src 'none'",
    "connect-src 'self'",
    `style-src ${hashOf(style)}`,
    `script-src ${hashOf(script)}`,
    "require-trusted-types-for 'script'",
    'trusted-types lit-html',
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ]
  return {
    html,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-cache',
    },
  }
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
