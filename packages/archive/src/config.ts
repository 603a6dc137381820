// The configuration key of the services that read archives.
import Type from 'typebox'

export const ArchivePassword = Type.String({
  default: 'infected',
  description: 'Password of encrypted zip archives: the `zip_pwd` of CAPE',
})
