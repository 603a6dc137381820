# -*- coding: utf-8 -*-
"""
CRITs service that hands samples to cuckoo-distributed over RabbitMQ. For CRITs of 2015-12 to 2019-07.

CRITs imports this file while it starts, and an error here keeps it from starting: hence imports inside functions.
"""
from __future__ import unicode_literals

import datetime
import os
import re
from functools import partial

from django.conf import settings
from django.template.loader import render_to_string

from crits.services.core import Service, ServiceConfigError

from . import forms, message, publisher
from .publisher import text_of

HOST = re.compile(r'^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$')
URL = re.compile(r'^https?://[^\s/@?#]+(/[^\s?#]*)?$')


class CuckooDistributedService(Service):
    """Queues a sample for a sandbox; the pipeline writes the results, and ends the analysis."""

    # The name of the Go suite's service, whose configuration and analyses this one takes over.
    name = 'Cuckoo_Distributed'
    version = '2.0.0'
    description = 'Analyze a sample in a sandbox, by way of RabbitMQ.'
    supported_types = ['Sample']
    template = 'cd_service_template.html'
    # So CRITs leaves the results alone; it would still end the analysis, see `run`.
    distributed = True

    #: Within this time an analysis is queued or not; CRITs may wait for it in a web request.
    publish_seconds = 30

    @staticmethod
    def get_config(existing_config):
        """Unknown keys are dropped: older versions stored an API key."""
        fields = forms.ConfigForm().fields
        return dict((name, (existing_config or {}).get(name, field.initial)) for name, field in fields.items())

    @staticmethod
    def get_config_details(config):
        details = {}
        for name, field in forms.ConfigForm().fields.items():
            value = config.get(name, field.initial)
            details[field.label] = '********' if name == 'rabbit_pw' and value else value
        return details

    @staticmethod
    def parse_config(config):
        problems = list(_problems(config))
        if problems:
            raise ServiceConfigError('; '.join(problems))

    @classmethod
    def generate_config_form(cls, config):
        # CRITs fills the class that it gets here with what was posted: the password is shown to nobody, yet kept.
        form = partial(forms.ConfigForm, stored_password=config.get('rabbit_pw') or '')
        return form, render_to_string('services_config_form.html', {
            'name': cls.name, 'form': forms.ConfigForm(initial=config), 'config_error': None})

    @classmethod
    def generate_runtime_form(cls, analyst, config, crits_type, identifier):
        return render_to_string('services_run_form.html', {
            'name': cls.name, 'form': forms.RunForm(queues=_queues(config)), 'crits_type': crits_type,
            'identifier': identifier})

    @staticmethod
    def bind_runtime_form(analyst, config):
        """CRITs passes what was posted as lists."""
        names = forms.RunForm.base_fields
        given = dict((name, config[name]) for name in names if config.get(name))
        data = dict((name, value[0] if isinstance(value, (list, tuple)) else value) for name, value in given.items())
        return forms.RunForm(data=data, queues=_queues(config))

    @staticmethod
    def save_runtime_config(config):
        """What stays is shown to every analyst: the options of this run, and nothing of the service."""
        shown = set(forms.RunForm.base_fields) - set(['by_hand'])
        for name in list(config):
            if name not in shown or not config[name]:
                del config[name]

    @staticmethod
    def valid_for(obj):
        if obj.filedata.grid_id is None:
            raise ServiceConfigError('Missing filedata.')

    def run(self, obj, config):
        # Only what an analyst starts has come through the form. CRITs runs its triage services on each dropped file
        # that the pipeline uploads, and what that drops is uploaded in turn, without end.
        if not config.get('by_hand') and message.was_dropped(obj):
            self._info('Not sent: an earlier analysis has uploaded this sample. To analyze it, run the service by hand.')
            return
        queue = config.get('queue') or _queues(config)[0]
        try:
            user = _running_user(self.current_task)
            body = message.encode(self.current_task, obj, user, config, _crits_url(config))
        except message.Refused as error:
            self._error('Not sent: %s' % text_of(error))
            return
        self._info('Sending %d bytes to the queue "%s"%s' % (len(body), queue, _told(message.payload(config))))
        # From the moment it is queued the analysis belongs to the pipeline: what CRITs writes from memory afterwards
        # would erase its log and results, so it is written now.
        self._notify()
        try:
            publisher.publish(_broker(config), config['rabbit_exchange'], queue, body, self.publish_seconds)
        except publisher.NotSent as error:
            self._error('Not sent: %s' % text_of(error))
            return
        except publisher.Unanswered as error:
            self._mark_unknown(text_of(error))
        # Without it CRITs does not end the analysis when this method returns: it stays "started".
        self.complete = None

    def _mark_unknown(self, what):
        """One conditional write, which touches nothing of an analysis that the pipeline may have in hand."""
        from crits.services.analysis_result import AnalysisResult, EmbeddedAnalysisResultLog
        entry = EmbeddedAnalysisResultLog()
        entry.level = 'error'
        entry.datetime = text_of(datetime.datetime.now())
        entry.message = ('Unknown whether it was sent: %s. If it was, the results will appear here all the same; '
                         'if none do, run the service again.' % what)
        running = AnalysisResult.objects(analysis_id=self.current_task.task_id, status='started')
        running.update_one(push__log=entry, set__status='error', set__finish_date=entry.datetime)


def _running_user(task):
    """CRITs of 2019 has the user in the task, older ones the name."""
    user = getattr(task, 'user', None)
    if user is None:
        from crits.core.user import CRITsUser
        user = CRITsUser.objects(username=task.username).first()
    if user is None:
        raise message.Refused('CRITs has no user "%s"' % text_of(task.username))
    return user


def _queues(config):
    return [line.strip() for line in text_of(config['rabbit_key']).splitlines() if line.strip()]


def _crits_url(config):
    url = config.get('crits_url') or getattr(settings, 'INSTANCE_URL', '') or ''
    return text_of(url).strip().rstrip('/')


def _broker(config):
    return {
        'host': config['rabbit_address'],
        'port': int(config['rabbit_port']),
        'user': config['rabbit_user'],
        'password': config['rabbit_pw'],
        'vhost': config['rabbit_vhost'],
        'ca': config['rabbit_ca'] if config['rabbit_ssl'] else '',
    }


def _told(options):
    return '; '.join([''] + ['%s: %s' % pair for pair in sorted(options.items())])


def _problems(config):
    if not HOST.match(text_of(config.get('rabbit_address') or '')):
        yield 'RabbitMQ host must be a name or an address, without amqp:// and port'
    if not re.match(r'^\d{1,5}$', text_of(config.get('rabbit_port') or '')):
        yield 'RabbitMQ port must be a number'
    for name, label in [('rabbit_vhost', 'virtual host'), ('rabbit_user', 'user'), ('rabbit_pw', 'password')]:
        if not config.get(name):
            yield 'RabbitMQ %s required' % label
    if not _queues({'rabbit_key': config.get('rabbit_key') or ''}):
        yield 'At least one queue required'
    if any(len(queue.encode('utf-8')) > 255 for queue in _queues({'rabbit_key': config.get('rabbit_key') or ''})):
        yield 'The name of a queue has at most 255 bytes'
    if config.get('rabbit_ssl') and not os.path.isfile(config.get('rabbit_ca') or ''):
        yield 'Authorities for TLS must be a file'
    if config.get('crits_url') and not URL.match(text_of(config['crits_url'])):
        yield 'URL of this CRITs must begin with http:// or https:// and have no user, "?" or "#"'
    try:
        import kombu  # noqa: F401
    except ImportError:
        yield 'The Python package kombu is not installed'
