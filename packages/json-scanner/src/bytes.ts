import { isAscii } from 'node:buffer'

// The bytes that structure JSON.
export const QUOTE = 0x22
export const COMMA = 0x2c
export const COLON = 0x3a
export const OPEN_LIST = 0x5b
export const BACKSLASH = 0x5c
export const CLOSE_LIST = 0x5d
export const OPEN_OBJECT = 0x7b
export const CLOSE_OBJECT = 0x7d

/** White space between the values of JSON. */
export const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Bytes as text. Cuckoo writes pure ASCII, which is copied several times as fast as UTF-8 is decoded. */
export const textOf = (bytes: Buffer): string => bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8')

/**
 * JSON as text in which other characters than ASCII are written as `\uXXXX`, those behind a lone backslash excepted, as no JSON has them. Where they
 * are few, that takes a third of the time that UTF-8 takes to be decoded, and text of one byte for each character two thirds of that to be parsed.
 * `beyond` tells where, from a place on, the first byte is that is not ASCII, or the length of `bytes`.
 */
export function escapedTextOf(bytes: Buffer, beyond: (from: number) => number): string {
  let text = ''
  let done = 0
  for (let at = beyond(0); at < bytes.length; at = beyond(done)) {
    text += bytes.toString('latin1', done, at)
    for (done = at + 1; isBeyondAscii(bytes[done]); ) done++
    text += isEscaped(bytes, at) ? bytes.toString('utf8', at, done) : escapes(bytes.toString('utf8', at, done))
  }
  return text + bytes.toString('latin1', done)
}

const isBeyondAscii = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x80

function isEscaped(bytes: Buffer, at: number): boolean {
  let start = at
  while (bytes[start - 1] === BACKSLASH) start--
  return (at - start) % 2 === 1
}

function escapes(text: string): string {
  let all = ''
  for (let at = 0; at < text.length; at++) all += `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`
  return all
}
