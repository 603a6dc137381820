# -*- coding: utf-8 -*-
"""The message to feed_cuckoo: that of the Go suite's service, with `crits_url` and `sources`."""
from __future__ import unicode_literals

import base64
import hashlib
import json

from .publisher import text_of

MIB = 1024 * 1024

#: What parse_and_submit writes as the method of its uploads ("File Upload - cuckoo_distributed").
MARK = 'cuckoo_distributed'

#: Options of a sandbox that are text.
TEXT_OPTIONS = ('package', 'options', 'machine', 'tags')


class Refused(Exception):
    """This sample cannot be sent; the text says why and what to do."""


def encode(task, obj, user, config, crits_url):
    """
    The message as JSON in ASCII, in bytes. Raises Refused.

    - `config`: `inline_mib` and the options of the run, by the names of their fields.
    - `crits_url`: base URL of this CRITs, or '' where the pipeline's `CritsURL` counts.
    """
    md5 = text_of(obj.md5)
    sources = usable_sources(obj, user)
    crits_data = {
        'analysis_id': text_of(task.task_id),
        'object_type': text_of(obj._meta['crits_type']),
        'object_id': text_of(obj.id),
        'username': _api_name(user),
        'api_key': default_key(user),
        'md5': md5,
        'source': sources[0] if sources else '',
        'sources': sources,
    }
    if crits_url:
        crits_data['crits_url'] = crits_url
    message = {
        'payload': payload(config),
        'file': dict(_data(obj, md5, config['inline_mib'] * MIB), name=text_of(obj.filename or '') or md5),
        'crits_data': crits_data,
    }
    body = json.dumps(message)
    return body if isinstance(body, bytes) else body.encode('ascii')


def payload(config):
    """Options of the sandbox's task, all text, only those that were given."""
    given = dict((name, text_of(config.get(name) or '').strip()) for name in TEXT_OPTIONS)
    options = dict((name, value) for name, value in given.items() if value)
    if config.get('timeout'):
        options['timeout'] = '%d' % config['timeout']
    if config.get('memory'):
        # Cuckoo 1.x takes any text for true; the others know this one.
        options['memory'] = 'true'
    return options


def _data(obj, md5, limit):
    """`data` of `file`; nothing when the sample is to be fetched from CRITs."""
    if (getattr(obj, 'size', None) or 0) > limit:
        return {}
    content = obj.filedata.read()
    if not content:
        raise Refused('CRITs has no content of this sample: upload the file again')
    if hashlib.md5(content).hexdigest() != md5.lower():
        raise Refused('the file that CRITs has stored does not have the MD5 of this sample: upload it again')
    if len(content) > limit:
        return {}
    return {'data': base64.b64encode(content).decode('ascii')}


def usable_sources(obj, user):
    """
    Names of the sample's sources under which the user may file what it drops, in the sample's order; the first one
    where there is none, so that CRITs says what the user lacks.
    """
    names = [text_of(source.name) for source in obj.source]
    if hasattr(user, 'get_sources_list'):  # CRITs of 2019, with roles
        mine = [name for name in user.get_sources_list() if user.check_source_write(name)]
    else:
        mine = user.sources
    return [name for name in names if name in mine] or names[:1]


def was_dropped(obj):
    """Whether an earlier analysis of this pipeline has uploaded the sample."""
    return any(MARK in text_of(instance.method or '') for source in obj.source for instance in source.instances)


def default_key(user):
    keys = list(user.api_keys)
    default = [key for key in keys if key.default] or keys
    if not default:
        raise Refused('%s has no API key, which the pipeline needs to write results: create one in the profile'
                      % text_of(user.username))
    return text_of(default[0].api_key)


def _api_name(user):
    name = text_of(user.username)
    if ':' in name or any(not ' ' <= letter <= '~' for letter in name):
        raise Refused('the API of CRITs cannot be used by "%s": user names must be ASCII without ":"' % name)
    return name
