"""The database of analyses (crits/crits:crits/services/analysis_result.py), with what of mongoengine is used."""


class EmbeddedAnalysisResultLog(object):
    level = message = datetime = None


class _Query(object):
    def __init__(self, found):
        self._found = found

    def update_one(self, **operations):
        for name, value in operations.items():
            operator, field = name.split('__')
            for document in self._found[:1]:
                if operator == 'push':
                    document[field] = document[field] + [value]
                else:
                    document[field] = value
        return len(self._found[:1])


class AnalysisResult(object):
    stored = []

    @classmethod
    def objects(cls, **wanted):
        return _Query([document for document in cls.stored
                       if all(document[name] == value for name, value in wanted.items())])
