"""crits/crits:crits/services/core.py as far as a service meets it, in syntax of Python 2 and 3."""
import uuid
from datetime import datetime

from crits.services.analysis_result import EmbeddedAnalysisResultLog


class ServiceConfigError(Exception):
    pass


class AnalysisTask(object):
    STATUS_ERROR = 'error'
    STATUS_COMPLETED = 'completed'

    def __init__(self, obj, service, user):
        self.obj = obj
        self.service = service
        self.task_id = str(uuid.uuid4())
        self.finish_date = None
        self.log = []
        self.results = []
        self.status = 'started'
        # CRITs of 2015 has only the name, that of 2019 only the user.
        if hasattr(user, 'username'):
            self.user = user
        else:
            self.username = user

    def error(self):
        self.status = self.STATUS_ERROR

    def finish(self):
        self.finish_date = str(datetime.now())
        if self.status != self.STATUS_ERROR:
            self.status = self.STATUS_COMPLETED

    def to_dict(self):
        return {'analysis_id': self.task_id, 'status': self.status, 'finish_date': self.finish_date,
                'config': self.config, 'log': list(self.log), 'results': list(self.results),
                'template': self.service.template}


class Service(object):
    is_triage_run = False
    supported_types = ['all']
    template = None
    distributed = False

    def __init__(self, notify=None, complete=None):
        self.notify = notify
        self.complete = complete
        self.current_task = None

    def set_task(self, task):
        self.current_task = task

    def execute(self, config):
        self.config = config
        self._info('Starting Analysis')
        try:
            self.run(self.current_task.obj, config)
            if not self.distributed:
                self.current_task.finish()
        except Exception as e:
            self._error('Error running service: %s' % e)
        finally:
            if self.complete:
                self._info('Analysis complete')
                from crits.services.handlers import update_analysis_results
                update_analysis_results(self.current_task)
                if self.current_task.status == AnalysisTask.STATUS_ERROR:
                    status = AnalysisTask.STATUS_ERROR
                else:
                    status = AnalysisTask.STATUS_COMPLETED
                self.complete(self.current_task.obj._meta['crits_type'], str(self.current_task.obj.id),
                              self.current_task.task_id, status, None)
            self.current_task = None

    def _info(self, msg):
        self._log('info', msg)

    def _error(self, msg):
        self._log('error', msg)
        self.current_task.error()

    def _log(self, level, msg):
        log = EmbeddedAnalysisResultLog()
        log.level = level
        log.message = msg
        log.datetime = str(datetime.now())
        self.current_task.log.append(log)

    def _notify(self):
        if self.notify:
            self.notify(self.current_task)
