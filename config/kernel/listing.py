"""Lists over REST: the serializer is the contract, the rows come straight from the database."""

from collections.abc import Sequence
from typing import Any

from django.db import DataError
from django.db.models import F, QuerySet
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response


class Dollars(serializers.DecimalField):
    """Dollars or shares on the grid of 1e-6."""

    def __init__(self, *, allow_null: bool = False, source: str | None = None) -> None:
        super().__init__(max_digits=20, decimal_places=6, allow_null=allow_null, source=source)


class Price(serializers.DecimalField):
    """A price or payout per share, in [0, 1]."""

    def __init__(self, *, allow_null: bool = False) -> None:
        super().__init__(max_digits=7, decimal_places=6, allow_null=allow_null)


def columns(serializer: type[serializers.BaseSerializer[Any]]) -> dict[str, str]:
    """The columns a serializer declares: name → path, from each field's `source`."""
    declared: dict[str, serializers.Field[Any, Any, Any, Any]] = serializer._declared_fields  # type: ignore[attr-defined]  # noqa: SLF001 - DRF keeps them nowhere else
    return {name: (field.source or name).replace(".", "__") for name, field in declared.items()}


def values(rows: QuerySet[Any], serializer: type[serializers.BaseSerializer[Any]]) -> QuerySet[Any]:
    """`rows` as plain dictionaries of the declared columns."""
    declared = columns(serializer)
    renamed = {name: F(path) for name, path in declared.items() if path != name}
    return rows.values(*(name for name in declared if name not in renamed), **renamed)


class RowList(GenericAPIView[Any]):
    """A list that reads exactly the columns its serializer declares, in one query a page.

    The serializer is the contract and the schema; rows go from `values()` to orjson as they are.
    """

    rows: QuerySet[Any]
    newest_by = "-id"

    def get_queryset(self) -> QuerySet[Any]:
        """The rows with the declared columns, and nothing else."""
        return values(self.rows.all(), self.get_serializer_class())

    def get(self, request: Request) -> Response:
        """One page, newest first."""
        self.paginator.ordering = self.newest_by  # type: ignore[union-attr]
        try:
            page: Sequence[Any] | None = self.paginate_queryset(
                self.filter_queryset(self.get_queryset())
            )
        except (OverflowError, ValueError, DataError):
            # A cursor, number or moment that is well formed and that no column can hold.
            raise serializers.ValidationError({"request": ["a value is out of range"]}) from None
        return self.get_paginated_response(page)


class StaffOnly(BasePermission):
    """Signed in, and a member of staff with the permission that the view names in `required`."""

    message = "this needs a member of staff with the right permission"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether this user may."""
        user = request.user
        return bool(user and user.is_staff and user.has_perm(view.required))


class Problem(serializers.Serializer[Any]):
    """What every error looks like."""

    code = serializers.CharField()
    message = serializers.CharField()
    fields = serializers.DictField()  # type: ignore[assignment]
