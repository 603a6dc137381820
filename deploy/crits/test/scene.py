# -*- coding: utf-8 -*-
"""What the tests share: paths, a sample, users, a configuration, a broker. Import it before the service."""
from __future__ import unicode_literals

import hashlib
import io
import os
import sys

try:
    from urllib.parse import unquote, urlparse
except ImportError:
    from urllib import unquote
    from urlparse import urlparse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, 'fakes'), os.path.dirname(HERE)]
try:
    import django
    HAS_DJANGO = True
except ImportError:
    HAS_DJANGO = False
    sys.path.insert(0, os.path.join(HERE, 'stub'))
try:
    import kombu  # noqa: F401
    HAS_KOMBU = True
except ImportError:
    HAS_KOMBU = False
HAS_BROKER = HAS_KOMBU and bool(os.environ.get('RABBITMQ_URL'))

if HAS_DJANGO:
    from django.conf import settings
    settings.configure(
        INSTANCE_URL='', USE_I18N=True, INSTALLED_APPS=[],
        TEMPLATES=[{
            'BACKEND': 'django.template.backends.django.DjangoTemplates',
            'DIRS': [os.path.join(os.path.dirname(HERE), 'cuckoo_distributed_service', 'templates'),
                     os.path.join(HERE, 'templates')],
            'OPTIONS': {'libraries': {'service_tags': 'crits.service_tags'}},
        }])

from crits.core.user import CRITsUser, Key, User2015, User2019
from crits.services.analysis_result import AnalysisResult
from crits.services.handlers import run_service
from cuckoo_distributed_service import CuckooDistributedService, forms

#: What CRITs of 2019 asks for while Django is not ready yet, which would refuse to translate anything.
AT_START = (CuckooDistributedService.get_config({}), forms.RunForm(queues=['q']).label_suffix)
if HAS_DJANGO:
    django.setup()

CONTENT = b'MZ\x90\x00 a sample of the tests'
KEY = 'f00d' * 10


class Filedata(io.BytesIO):
    grid_id = 'a file in GridFS'


class Named(object):
    def __init__(self, name, method='File Upload'):
        self.name = name
        self.instances = [self]
        self.method = method


class Sample(object):
    _meta = {'crits_type': 'Sample'}

    def __init__(self, filename='invoice.exe', content=CONTENT, sources=('Internal', 'Öffentlich'), method='File Upload'):
        self.id = '56686f0e1d41c8731f5e8a01'
        self.filename = filename
        self.filedata = Filedata(content)
        self.size = len(content)
        self.md5 = hashlib.md5(content).hexdigest()
        self.source = [Named(name, method) for name in sources]


def alice(line='2019', name='alice', keys=None, sources=('Internal', 'Öffentlich', 'Other')):
    """Who runs the service, as CRITs of that line passes it on."""
    keys = [Key('0' * 40), Key(KEY, default=True)] if keys is None else keys
    if line == '2019':
        return User2019(name, keys, dict((source, True) for source in sources))
    CRITsUser.stored = [User2015('bob', [Key('1' * 40)], []), User2015(name, keys, list(sources))]
    return name


def config(**changes):
    stored = CuckooDistributedService.get_config({})
    stored.update({'rabbit_address': '127.0.0.1', 'rabbit_user': 'guest', 'rabbit_pw': 'guest'}, **changes)
    if HAS_BROKER:
        url = urlparse(os.environ['RABBITMQ_URL'])
        broker = {'rabbit_address': url.hostname, 'rabbit_port': url.port or 5672,
                  'rabbit_user': unquote(url.username or 'guest'), 'rabbit_pw': unquote(url.password or 'guest')}
        stored.update(broker, **changes)
    return stored


def posted(**fields):
    """What the browser sends for the form of a run, as it reaches the service."""
    form = {'by_hand': ['yes'], 'csrfmiddlewaretoken': ['a token']}
    form.update((name, [value]) for name, value in fields.items())
    return form


def run(stored, sample=None, user=None, form=None, seconds=None, triage=False):
    service = type(str('Hurried'), (CuckooDistributedService,), {'publish_seconds': seconds or 20})
    custom = None if triage else posted() if form is None else form
    return run_service(service, stored, sample or Sample(), user or alice(), custom)


def log_of(analysis):
    return '\n'.join('%s %s' % (entry.level, entry.message) for entry in analysis['log'])
