"""The one exception that speaks to the user rather than to the programmer."""


class VeneerError(ValueError):
    """Something the user can put right.

    The message is one or two sentences: what was being done, to which file or key, what was
    found, and what to do next. The command line shows it without a traceback (see
    :mod:`veneer.hooks`).
    """


def find_veneer_error(error: BaseException | None) -> VeneerError | None:
    """The first :class:`VeneerError` among ``error`` and its causes, or None.

    Kedro wraps what a dataset raises into its own ``DatasetError``; the sentence meant for the
    user is then one of the causes.
    """
    while error is not None:
        if isinstance(error, VeneerError):
            return error
        error = error.__cause__ or error.__context__
    return None
