"""Users of both lines (crits/crits:crits/core/user.py): names and keys are alike, rights are not."""


class Key(object):
    def __init__(self, api_key, default=False):
        self.api_key = api_key
        self.default = default


class User2015(object):
    def __init__(self, username, api_keys, sources):
        self.username = username
        self.api_keys = api_keys
        self.sources = sources


class User2019(object):
    """`sources`: whether the user may write, by the names of the sources that the user may read."""

    def __init__(self, username, api_keys, sources):
        self.username = username
        self.api_keys = api_keys
        self._sources = sources

    def get_sources_list(self):
        return list(self._sources)

    def check_source_write(self, source):
        return self._sources.get(source, False)


class _Found(object):
    def __init__(self, users):
        self._users = users

    def first(self):
        return self._users[0] if self._users else None


class CRITsUser(object):
    stored = []

    @classmethod
    def objects(cls, username):
        return _Found([user for user in cls.stored if user.username == username])
