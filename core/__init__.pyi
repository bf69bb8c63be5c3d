"""What type checkers see of the library; ``__init__.py`` imports the same names when they are first used."""

from core.data.degrade import DEGRADATIONS as DEGRADATIONS
from core.images.io import Picture as Picture
from core.images.io import WriteOptions as WriteOptions
from core.images.io import read as read
from core.images.io import write as write
from core.images.metrics import PROTOCOLS as PROTOCOLS
from core.images.metrics import psnr_db as psnr_db
from core.images.metrics import ssim as ssim
from core.jobs import Cancelled as Cancelled
from core.jobs import JobControl as JobControl
from core.library import Model as Model
from core.library import Options as Options
from core.library import from_pretrained as from_pretrained
from core.library import load as load
from core.library import restore as restore
from core.model.catalog import models as models
from core.model.network import MemoryNet as MemoryNet
from core.model.network import NetworkConfig as NetworkConfig
from core.restoring.evaluation import EvaluateRequest as EvaluateRequest
from core.restoring.evaluation import evaluate as evaluate
from core.restoring.evaluation_table import EvaluationTable as EvaluationTable
from core.restoring.memory.inspection import Inspection as Inspection
from core.restoring.records import Restored as Restored
from core.tasks import TASKS as TASKS
from core.training.recipe import TrainRecipe as TrainRecipe
from core.training.trainer import TrainResult as TrainResult
from core.training.trainer import train as train

__version__: str
__all__: list[str]
