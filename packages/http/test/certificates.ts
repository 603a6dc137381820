/** Certificates for 127.0.0.1 made for these tests, each signed by itself with `key`, and a server that has one. */
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { TestContext } from 'node:test'

const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmaIn9efuCxw3AOvU
8LMmgh7GW4IOX3hlL/ZAaBr4TPahRANCAARTVPZ9pmUOxc+Qu1qGN7GkA3X5RsNo
nFYk4EtZQRNzy4R6/dCCPqsDMyMMnz5j0HlK2Rf0qhZ55gAWw77nb7QH
-----END PRIVATE KEY-----`

/** Of the years from 2026 to 2126. */
export const cert = `-----BEGIN CERTIFICATE-----
MIIBkTCCATagAwIBAgIUSLWeuT419wnDul7N5lEkRrsKcEIwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTIwMzkzM1oYDzIxMjYxMDI4
MjAzOTMzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARTVPZ9pmUOxc+Qu1qGN7GkA3X5RsNonFYk4EtZQRNzy4R6/dCCPqsD
MyMMnz5j0HlK2Rf0qhZ55gAWw77nb7QHo2QwYjAdBgNVHQ4EFgQUIcN+uihRn2lj
S2G/dpS+VMvg7kIwHwYDVR0jBBgwFoAUIcN+uihRn2ljS2G/dpS+VMvg7kIwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0kAMEYC
IQDgpFSsaWvJa8kdpJZHB/EXF7qi+ymax6FoHhMMR9xADwIhALsDBskjNQ3XZf+T
T7KCFJBl19Pf86JlB/kVvk5SDcYt
-----END CERTIFICATE-----`

/** Of two days in 2020. */
export const expired = `-----BEGIN CERTIFICATE-----
MIIBFTCBu6ADAgECAgEHMAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCWxvY2FsaG9z
dDAeFw0yMDAxMDEwMDAwMDBaFw0yMDAxMDIwMDAwMDBaMBQxEjAQBgNVBAMMCWxv
Y2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFNU9n2mZQ7Fz5C7WoY3
saQDdflGw2icViTgS1lBE3PLhHr90II+qwMzIwyfPmPQeUrZF/SqFnnmABbDvudv
tAcwCgYIKoZIzj0EAwIDSQAwRgIhAN1BT9f4nF9NrIGsVo8x1dgJGwgklsTqTy+f
gEqelrgkAiEAv5+dbWlwfN+7jHJ6rl7duSSoZpXA/GPn/3u1Bp8iJME=
-----END CERTIFICATE-----`

/** Of the years from 2090 on. */
export const notYetValid = `-----BEGIN CERTIFICATE-----
MIIBGDCBv6ADAgECAgEHMAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCWxvY2FsaG9z
dDAiGA8yMDkwMDEwMTAwMDAwMFoYDzIwOTkwMTAyMDAwMDAwWjAUMRIwEAYDVQQD
DAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARTVPZ9pmUOxc+Q
u1qGN7GkA3X5RsNonFYk4EtZQRNzy4R6/dCCPqsDMyMMnz5j0HlK2Rf0qhZ55gAW
w77nb7QHMAoGCCqGSM49BAMCA0gAMEUCIQCsC6u5NAIl3KOECsnU1W0S0Ccx8iX8
sA+0J1Nrig45IQIgCyoTtgdUtfKR8o86CH16Er0UU/aSsb+66GfADJr9W/A=
-----END CERTIFICATE-----`

/** Serves HTTPS and resolves with the base URL. */
export async function serveTls(t: TestContext, certificate: string, listener: RequestListener): Promise<string> {
  const server = createServer({ key, cert: certificate }, listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return `https://127.0.0.1:${address.port}`
}
