/** Answers as the two web frameworks write them, headers and error pages included. */
import { STATUS_CODES } from 'node:http'
import { type Body, memoryBody } from './body.js'
import type { Flavour } from './flavour.js'
import { type PythonValue, pythonJson } from './python-json.js'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body
}

const API_HEADERS = {
  Server: 'Machete Server',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'X-XSS-Protection': '1; mode=block',
  Pragma: 'no-cache',
  'Cache-Control': 'no-cache',
  Expires: '0',
}

/** A result of the API. */
export function success(type: string, body: Body): Answer {
  return { status: 200, headers: { 'Content-Type': type, ...API_HEADERS }, body }
}

/** `jsonize` of Bottle's API keeps Python's key order; Flask's `jsonify` sorts and indents by two. */
export function json(flavour: Flavour, value: PythonValue, status = 200): Answer {
  const bottle = flavour.framework === 'bottle'
  const text = bottle ? pythonJson(value) : pythonJson(value, { indent: 2, sortKeys: true })
  const type = bottle ? 'application/json; charset=UTF-8' : 'application/json'
  // Flask 0.12 ends the text with a line break, 0.10 does not.
  return { ...success(type, memoryBody(flavour.newTaskFields ? `${text}\n` : text)), status }
}

/** An error the API knows: HTML in Bottle, `{"message"}` in Flask. */
export function apiError(flavour: Flavour, status: number, message: string, url: string): Answer {
  return flavour.framework === 'bottle' ? bottlePage(status, message, url) : json(flavour, { message }, status)
}

/** An error the framework makes: always HTML. `message` is shown by Bottle only. */
export function frameworkError(flavour: Flavour, status: number, message: string, url: string): Answer {
  return flavour.framework === 'bottle' ? bottlePage(status, message, url) : flaskPage(status)
}

/** The reason phrase; werkzeug shouts. */
export function reasonOf(flavour: Flavour, status: number): string {
  const reason = STATUS_CODES[status] ?? 'Unknown'
  return flavour.framework === 'flask' && status !== 200 ? reason.toUpperCase() : reason
}

/** `bottlepy/bottle:bottle.py` ERROR_PAGE_TEMPLATE (0.12); the API's own headers are lost. */
function bottlePage(status: number, message: string, url: string): Answer {
  const title = `Error: ${status} ${STATUS_CODES[status] ?? 'Unknown'}`
  const page = `
    <!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
    <html>
        <head>
            <title>${title}</title>
            <style type="text/css">
              html {background-color: #eee; font-family: sans;}
              body {background-color: #fff; border: 1px solid #ddd;
                    padding: 15px; margin: 15px;}
              pre {background-color: #eee; border: 1px solid #ddd; padding: 5px;}
            </style>
        </head>
        <body>
            <h1>${title}</h1>
            <p>Sorry, the requested URL <tt>${escapeHtml(`'${url}'`)}</tt>
               caused an error:</p>
            <pre>${escapeHtml(message)}</pre>
        </body>
    </html>
`
  const headers = { Server: 'WSGIServer/0.1 Python/2.7.18', 'Content-Type': 'text/html; charset=UTF-8' }
  return { status, headers, body: memoryBody(page) }
}

const FLASK_TEXT: Readonly<Record<number, readonly [title: string, text: string]>> = {
  400: ['Bad Request', 'The browser (or proxy) sent a request that this server could not understand.'],
  404: [
    'Not Found',
    'The requested URL was not found on the server.  If you entered the URL manually please check your spelling and try again.',
  ],
  405: ['Method Not Allowed', 'The method is not allowed for the requested URL.'],
  500: [
    'Internal Server Error',
    'The server encountered an internal error and was unable to complete your request.  Either the server is overloaded or there is an error in the application.',
  ],
}

/** `pallets/werkzeug:werkzeug/exceptions.py` (0.14). An unhandled exception loses the API's headers. */
function flaskPage(status: number): Answer {
  const [title, text] = FLASK_TEXT[status] ?? [STATUS_CODES[status] ?? 'Unknown', '']
  const page = `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<title>${status} ${title}</title>
<h1>${title}</h1>
<p>${text}</p>
`
  const own = status === 500 ? { Server: 'Werkzeug/0.14.1 Python/2.7.18' } : API_HEADERS
  return { status, headers: { 'Content-Type': 'text/html', ...own }, body: memoryBody(page) }
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, char => `&#0${char.charCodeAt(0)};`)
}
