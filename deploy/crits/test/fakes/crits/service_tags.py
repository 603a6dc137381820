"""crits/crits:crits/samples/templatetags/service_tags.py"""
from django import template

register = template.Library()


@register.filter
def needs_subtable(value):
    return isinstance(value, list)
