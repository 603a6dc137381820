"""crits/crits:crits/services/handlers.py: what happens when an analyst, or an upload, runs a service."""
from crits.services.analysis_result import AnalysisResult
from crits.services.core import AnalysisTask


def run_service(service_class, db_config, obj, user, custom_config=None):
    """
    Returns the stored analysis. `user` is a user (2019) or the name of one (2015); `custom_config` is what was posted:
    each value a list, since `update` takes a QueryDict's inside and not what it shows.
    """
    service_class.valid_for(obj)
    final_config = dict(db_config)
    final_config.update(custom_config or {})
    form = service_class.bind_runtime_form(getattr(user, 'username', user), final_config)
    if not form.is_valid():
        raise ValueError(str(form.errors))
    final_config.update(form.cleaned_data)
    service = service_class(notify=update_analysis_results, complete=finish_task)
    saved_config = dict(final_config)
    service_class.save_runtime_config(saved_config)
    task = AnalysisTask(obj, service, user)
    task.config = saved_config
    stored = task.to_dict()
    AnalysisResult.stored.append(stored)
    service.set_task(task)
    service.execute(final_config)
    return stored


def update_analysis_results(task):
    fields = dict(('set__' + name, value) for name, value in task.to_dict().items())
    AnalysisResult.objects(analysis_id=task.task_id).update_one(**fields)


def finish_task(object_type, object_id, analysis_id, status, user):
    AnalysisResult.objects(analysis_id=analysis_id).update_one(set__status=status, set__finish_date='now')
