"""Admin pages of libraries, put on the same theme as ours."""

import json

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat import admin as beat_admin
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config.celery import app

admin.site.index_title = "Control room"

for _model in (User, Group, PeriodicTask, ClockedSchedule, CrontabSchedule, IntervalSchedule):
    admin.site.unregister(_model)
admin.site.unregister(SolarSchedule)  # nothing of ours runs at sunset


@admin.register(User)
class AccountAdmin(UserAdmin, ModelAdmin):  # type: ignore[type-arg,misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class RoleAdmin(GroupAdmin, ModelAdmin):  # type: ignore[misc]
    pass


class TimetableForm(forms.ModelForm):  # type: ignore[type-arg]
    """The row as it is: the library's own form imports every task, and so every ML library."""

    class Meta:
        model = PeriodicTask
        exclude = ()  # noqa: DJ006 - every column of the library's table


@admin.register(PeriodicTask)
class TimetableAdmin(beat_admin.PeriodicTaskAdmin, ModelAdmin):  # type: ignore[misc]
    form = TimetableForm
    fieldsets = (
        (None, {"fields": ("name", "task", "enabled", "description")}),
        ("When", {"fields": ("interval", "crontab", "clocked", "start_time", "last_run_at")}),
        ("Arguments", {"fields": ("args", "kwargs"), "classes": ("collapse",)}),
        (
            "How",
            {"fields": ("queue", "expires", "expire_seconds", "one_off"), "classes": ("collapse",)},
        ),
    )
    list_filter = ("enabled", "one_off")
    list_select_related = ("interval", "crontab", "clocked", "solar")
    show_full_result_count = False
    date_hierarchy = None
    readonly_fields = ("last_run_at",)
    change_form_template = None

    @admin.action(description="Run selected tasks now")
    def run_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Wake the workers by task name; the web process imports no task."""
        for row in queryset:
            app.send_task(row.task, kwargs=json.loads(row.kwargs), queue=row.queue or None)
        self.message_user(request, f"{len(queryset)} sent to the workers.")


@admin.register(ClockedSchedule)
class ClockedAdmin(beat_admin.ClockedScheduleAdmin, ModelAdmin):  # type: ignore[misc]
    pass


@admin.register(CrontabSchedule)
class CrontabAdmin(beat_admin.CrontabScheduleAdmin, ModelAdmin):  # type: ignore[misc]
    pass


@admin.register(IntervalSchedule)
class IntervalAdmin(beat_admin.IntervalScheduleAdmin, ModelAdmin):  # type: ignore[misc]
    pass
