"""Services: what operators ask, asynchronously, in this process or elsewhere.

Read `service` for what a service is, `definition` for what is registered, `running` for the way of a call, `manager`
for the life of all services of a program, `replica` for what a place must bring.
"""

from sage.services.balance import Balance, ByKey
from sage.services.batching import batched
from sage.services.breaker import Breaker
from sage.services.deadline import deadline
from sage.services.definition import ServiceDefinition
from sage.services.finding import service
from sage.services.manager import Services
from sage.services.proxy import ServiceProxy
from sage.services.restart import Restart
from sage.services.service import Service
from sage.services.statistics import BatchStatistics, ServiceStatistics

__all__ = [
    "Balance",
    "BatchStatistics",
    "Breaker",
    "ByKey",
    "Restart",
    "Service",
    "ServiceDefinition",
    "ServiceProxy",
    "ServiceStatistics",
    "Services",
    "batched",
    "deadline",
    "service",
]
