"""For a Python without Django: forms that take everything, so that the rest of the service can be tested."""


class Field(object):
    def __init__(self, label=None, initial=None, **_):
        self.label = label
        self.initial = initial


class IntegerField(Field):
    pass


CharField = ChoiceField = BooleanField = Field


class Widget(object):
    def __init__(self, attrs=None):
        pass


PasswordInput = Textarea = HiddenInput = Widget


class _Fields(type):
    def __new__(mcs, name, bases, members):
        form = super(_Fields, mcs).__new__(mcs, name, bases, members)
        form.base_fields = dict((key, value) for key, value in members.items() if isinstance(value, Field))
        return form


_Base = _Fields('_Base', (object,), {})


class Form(_Base):
    errors = {}

    def __init__(self, data=None, initial=None, label_suffix=None):
        self.fields = self.base_fields
        self.label_suffix = label_suffix
        self.cleaned_data = {}
        for name, field in self.fields.items():
            value = (data or {}).get(name, '')
            self.cleaned_data[name] = int(value) if value and isinstance(field, IntegerField) else value

    def is_valid(self):
        return True
