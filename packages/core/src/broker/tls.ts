// The certificate files of an amqps connection.
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { describeError } from '../errors.js'
import type { BrokerConfig } from '../stage-config.js'
import type { TlsFiles } from './connection.js'

type TlsConfig = Pick<BrokerConfig, 'Amqp' | 'AmqpCA' | 'AmqpCert' | 'AmqpKey'>

const KEYS = ['AmqpCA', 'AmqpCert', 'AmqpKey'] as const

/** Reads the files that the configuration names. Throws the system's error. */
export function tlsFiles({ AmqpCA, AmqpCert, AmqpKey }: TlsConfig): TlsFiles {
  return {
    ...(AmqpCA && { ca: readFileSync(AmqpCA) }),
    ...(AmqpCert && { cert: readFileSync(AmqpCert) }),
    ...(AmqpKey && { key: readFileSync(AmqpKey) }),
  }
}

/** What of it cannot be used, in words that name the keys. */
export function tlsProblems(config: TlsConfig): string[] {
  const used = KEYS.filter(key => config[key] !== '')
  if (used.length === 0) return []
  if ([config.Amqp].flat().some(url => url.startsWith('amqp:')))
    return [`"${used.join('", "')}": only for an "Amqp" that begins with amqps:`]
  if ((config.AmqpCert === '') !== (config.AmqpKey === '')) return ['"AmqpCert" and "AmqpKey" need each other']
  try {
    createSecureContext(tlsFiles(config))
    return []
  } catch (error: unknown) {
    return [`"${used.join('", "')}" cannot be used: ${describeError(error)}`]
  }
}
